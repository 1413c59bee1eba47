// Ends when the Job directus-migrate is done: this image's migrations are all in the database, and
// somebody may log in. So no pod migrates, and nobody finds an instance without an owner.
import { setTimeout as sleep } from "node:timers/promises";
import {
  askTheDatabaseAlone, countUsers, endOnSignal, open, pauseMs, pendingMigrations,
} from "./database.mjs";

const deadline = Date.now() + 900_000;
endOnSignal();
askTheDatabaseAlone();

async function missing(database) {
  const pending = await pendingMigrations(database);
  if (pending === null) return "the database is empty";
  if (pending.length > 0) return `${pending.length} migrations to come`;
  return (await countUsers(database)) === 0 ? "there is no user yet" : null;
}

let database;
try {
  database = await open();
} catch (error) {
  // Another Directus than we know: let it start, it migrates by itself.
  console.warn(`cannot ask this image for its migrations, not waiting: ${error.message}`);
  process.exit(0);
}

let said;
for (;;) {
  const reason = await missing(database).catch((error) => error.message);
  if (reason === null) break;
  if (reason !== said) console.log(`waiting for the Job directus-migrate: ${reason}`);
  said = reason;
  if (Date.now() > deadline) process.exit(1);
  await sleep(pauseMs);
}
console.log("the database is ready");
process.exit(0);
