// Signs what GitHub sends, by GitHub's own package. Arguments: the folders of the packages
// @octokit/webhooks-methods and @octokit/webhooks-examples. Reads {"secret", "bodies"?} as JSON;
// writes a list of {"event", "body", "signature"}: of the bodies, or of every example there is.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [methods, examples] = process.argv.slice(2);
const { sign } = await import(pathToFileURL(join(methods, "dist-node", "index.js")));
const read = (file) => JSON.parse(readFileSync(file, "utf8"));
const { secret, bodies } = read(0);
const given = bodies
  ? bodies.map((body) => ({ event: "push", body }))
  : read(join(examples, "api.github.com", "index.json")).flatMap(({ name, examples }) =>
      examples.map((example) => ({ event: name, body: JSON.stringify(example) })),
    );
const signed = [];
for (const one of given) {
  signed.push({ ...one, signature: await sign(secret, one.body) });
}
process.stdout.write(`${JSON.stringify(signed)}\n`);
