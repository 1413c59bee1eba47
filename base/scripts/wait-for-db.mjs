// Ends when the database's port answers: Directus itself gives up after seconds.
import { connect } from "node:net";

const { DB_CLIENT, DB_HOST, DB_PORT, DB_CONNECTION_STRING, DB_SOCKET_PATH } = process.env;
const deadline = Date.now() + 240_000;

// Unhandled, a signal to the first process of a container does nothing.
process.on("SIGTERM", () => process.exit(143));

// The image falls back to SQLite inside the container, where every restart loses all content.
if (!DB_CLIENT || DB_CLIENT === "sqlite3") {
  console.error(`DB_CLIENT is ${DB_CLIENT ?? "not set"}: add a database component, or set it in config.env`);
  process.exit(1);
}
if (!DB_HOST) {
  const elsewhere = DB_CONNECTION_STRING || DB_SOCKET_PATH;
  console.log(elsewhere ? "the address is not in DB_HOST: not waiting" : "DB_HOST is not set");
  process.exit(elsewhere ? 0 : 1);
}

let said;
function attempt() {
  const socket = connect({ host: DB_HOST, port: Number(DB_PORT), timeout: 3000 });
  const failed = (error) => {
    socket.destroy();
    const reason = `${DB_HOST}:${DB_PORT} does not answer: ${error?.message ?? "timeout"}`;
    if (reason !== said) console.log(`waiting: ${reason}`);
    said = reason;
    if (Date.now() > deadline) process.exit(1);
    setTimeout(attempt, 2000);
  };
  socket.once("connect", () => {
    console.log(`${DB_HOST}:${DB_PORT} answers`);
    process.exit(0);
  });
  socket.once("error", failed).once("timeout", failed);
}

attempt();
