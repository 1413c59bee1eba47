// Writes one line for each migration to come into the file given; an empty file means none.
// A database without Directus has none to lose, so there is nothing to list either.
import { writeFile } from "node:fs/promises";
import { askTheDatabaseAlone, open, pendingMigrations } from "./database.mjs";

askTheDatabaseAlone();
const pending = (await pendingMigrations(await open())) ?? [];
await writeFile(process.argv[2], pending.map((file) => `${file}\n`).join(""));
console.log(`migrations to come: ${pending.length}`);
process.exit(0);
