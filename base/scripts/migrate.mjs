// Installs or migrates the database, then makes sure that an administrator exists.
//
// One at a time, though Directus itself takes no lock (directus/directus issue 23707): this Job may
// be replaced while it runs, or lose its node. And whoever stops it waits for its end, for a
// migration that is cut off leaves half of itself in the database.
//
// An installation that is killed half way leaves all tables and no user; when it runs again, Directus
// takes the database for installed and makes none (directus/directus issue 15522). Since 11 such an
// instance can be claimed by anybody who can reach it.
import { spawnSync } from "node:child_process";
import {
  becomeTheOnlyOne, cli, countAdministrators, countUsers, endOnSignal, load, open,
} from "./database.mjs";

// In this process, not by the command line: a password in argv is readable by others.
async function makeAdministrator() {
  const { getSchema } = await load("utils/get-schema");
  const schema = await getSchema();
  const recent = await load("utils/create-admin").catch(() => null);
  if (recent) return recent.createAdmin(schema);

  // 10.0 to 11.11: step by step, as the bootstrap of those releases does it.
  const defaults = await load("cli/utils/defaults");
  const create = async (file, service, item) => {
    const services = await load(`services/${file}`);
    return new services[service]({ schema }).createOne(item);
  };
  const role = await create("roles", "RolesService", defaults.defaultAdminRole);
  if (defaults.defaultAdminPolicy) {
    const policy = await create("policies", "PoliciesService", defaults.defaultAdminPolicy);
    await create("access", "AccessService", { policy, role });
  }
  const { ADMIN_EMAIL: email, ADMIN_PASSWORD: password, ADMIN_TOKEN: token = null } = process.env;
  await create("users", "UsersService", { ...defaults.defaultAdminUser, email, password, token, role });
}

let begun = false;
endOnSignal(() => begun);

const database = await open();
await becomeTheOnlyOne(database);
begun = true;

const bootstrap = spawnSync(process.execPath, [cli, "bootstrap"], { stdio: "inherit" });
if (bootstrap.status !== 0) {
  console.error(`bootstrap ended with ${bootstrap.status ?? bootstrap.signal}`);
  process.exit(1);
}

if ((await countUsers(database)) === 0) {
  if (!process.env.ADMIN_EMAIL || !process.env.ADMIN_PASSWORD) {
    console.error("there is no user, and ADMIN_EMAIL and ADMIN_PASSWORD are not both set");
    process.exit(1);
  }
  await makeAdministrator();
  console.log("made the administrator that a broken installation had left out");
}

const administrators = await countAdministrators(database);
console.log(`users: ${await countUsers(database)}, administrators: ${administrators}`);
if (administrators === 0) {
  console.warn("no user has a policy with admin access of its own or by its role");
}
process.exit(0);
