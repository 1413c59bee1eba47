// What the other scripts ask the database, through the Directus of this image: its own client,
// its own configuration, its own list of migrations. Nothing here writes to the database.
import { setTimeout as sleep } from "node:timers/promises";
import { readdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

// Set by tests; in the image it is where the entrypoint finds it too.
export const cli = process.env.DIRECTUS_CLI || "/directus/cli.js";

const isMigration = (file) => /^[0-9]+[A-Z]-[^.]+\.(c|m)?js$/.test(file);
const versionOf = (file) => file.split("-")[0];

// A script that only asks the database has no password of Redis and no use for it, but Directus
// connects to every store that its configuration names, and ends when it may not.
export function askTheDatabaseAlone() {
  process.env.REDIS_ENABLED = "false";
  process.env.CACHE_ENABLED = "false";
  for (const store of ["CACHE", "RATE_LIMITER", "SYNCHRONIZATION"]) {
    process.env[`${store}_STORE`] = "memory";
  }
}

export async function load(module) {
  const file = createRequire(cli).resolve(`@directus/api/${module}`);
  return import(pathToFileURL(file));
}

async function ownMigrations() {
  const index = createRequire(cli).resolve("@directus/api/database/index");
  const files = await readdir(join(dirname(index), "migrations"));
  return files.filter(isMigration);
}

// The team's migrations; there may be none. Directus looks below its working directory too.
async function customMigrations() {
  const folder = resolve(process.env.MIGRATIONS_PATH || "migrations");
  const files = await readdir(folder).catch(() => []);
  return files.filter((file) => file.includes("-") && /\.(c|m)?js$/.test(file));
}

export const pauseMs = Number(process.env.WAIT_PAUSE_MS || 5000);

// The kernel drops signals for a first process that does not handle them: it would be killed only
// when its whole grace period is over.
export function endOnSignal(unless = () => false) {
  process.on("SIGTERM", () => unless() || process.exit(143));
}

// Asked again and again: a statement that waits may run into a limit of the server's.
const ASK_FOR_LOCK = {
  pg: async (connection) => {
    const key = "hashtext('directus-migrate')";
    const { rows } = await connection.raw(`select pg_try_advisory_xact_lock(${key}) as taken`);
    return rows[0].taken;
  },
  mysql: async (connection) => {
    const name = "sha1(concat('directus-migrate ', database()))";
    const [rows] = await connection.raw(`select get_lock(${name}, 0) as taken`);
    return rows[0].taken === 1;
  },
};

// Waits until nobody else migrates this database, and keeps others waiting until this process ends.
// In a transaction, so that a pooler in between leaves the connection to us.
export async function becomeTheOnlyOne(database) {
  const ask = ASK_FOR_LOCK[process.env.DB_CLIENT];
  if (!ask) return;
  const connection = await database.transaction();
  let taken;
  try {
    taken = await ask(connection);
  } catch (error) {
    // A cluster, say, that knows no such locks: then the agent's order alone must do.
    console.warn(`this database gives no lock, going on without: ${error.message}`);
    return;
  }
  if (!taken) console.log("another migration is under way: waiting for its end");
  while (!taken) {
    await sleep(pauseMs);
    taken = await ask(connection);
  }
}

export async function open() {
  const { default: getDatabase } = await load("database/index");
  return getDatabase();
}

// null: Directus was never installed here.
export async function pendingMigrations(database) {
  if (!(await database.schema.hasTable("directus_migrations"))) return null;
  const rows = await database.select("version").from("directus_migrations");
  const done = new Set(rows.map((row) => row.version));
  const files = [...(await ownMigrations()), ...(await customMigrations())];
  return files.filter((file) => !done.has(versionOf(file))).sort();
}

export async function countUsers(database) {
  const [row] = await database("directus_users").count("*", { as: "count" });
  return Number(row.count);
}

// Administrators by a policy of their own or of their role. Inherited roles are not followed.
export async function countAdministrators(database) {
  if (!(await database.schema.hasTable("directus_access"))) {
    const [row] = await database("directus_users")
      .join("directus_roles", "directus_users.role", "directus_roles.id")
      .where("directus_roles.admin_access", true)
      .count("*", { as: "count" });
    return Number(row.count);
  }
  const access = await database("directus_access")
    .join("directus_policies", "directus_access.policy", "directus_policies.id")
    .where("directus_policies.admin_access", true)
    .select("directus_access.role", "directus_access.user");
  const roles = access.map((row) => row.role).filter(Boolean);
  const users = access.map((row) => row.user).filter(Boolean);
  const [row] = await database("directus_users")
    .whereIn("role", roles)
    .orWhereIn("id", users)
    .count("*", { as: "count" });
  return Number(row.count);
}
