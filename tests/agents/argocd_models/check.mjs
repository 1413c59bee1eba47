// Reads a list of Argo CD objects as JSON, writes the list of their problems as JSON.
//
// Two judges: the models' validators find wrong types and missing fields; the models' TypeScript
// types find fields that do not exist, which Argo CD's schemas would drop in silence.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import ts from "typescript";

const require = createRequire(import.meta.url);
const models = "@kubernetes-models/argo-cd/argoproj.io/v1alpha1";
const objects = JSON.parse(readFileSync(0, "utf8"));
const problems = [];

for (const body of objects) {
  const place = `${body.kind} ${body.metadata?.name}`;
  const Model = require(models)[body.kind];
  if (!Model || body.apiVersion !== Model.apiVersion) {
    problems.push(`${place}: no model for ${body.apiVersion}`);
    continue;
  }
  try {
    new Model(body).validate();
  } catch (error) {
    problems.push(`${place}: ${error.message}`);
  }
}

const text = objects
  .map((body, index) => {
    const type = `import("${models}").I${body.kind}`;
    return `export const object${index}: ${type} = ${JSON.stringify(body)};`;
  })
  .join("\n");
const name = new URL("objects.ts", import.meta.url).pathname; // never written: it lives in memory
const options = {
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.CommonJS,
  moduleResolution: ts.ModuleResolutionKind.Node10,
  types: [],
};
const host = ts.createCompilerHost(options);
const { getSourceFile, fileExists, readFile } = host;
host.getSourceFile = (file, ...rest) =>
  file === name ? ts.createSourceFile(file, text, options.target) : getSourceFile(file, ...rest);
host.fileExists = (file) => file === name || fileExists(file);
host.readFile = (file) => (file === name ? text : readFile(file));
for (const found of ts.getPreEmitDiagnostics(ts.createProgram([name], options, host))) {
  problems.push(ts.flattenDiagnosticMessageText(found.messageText, " "));
}
process.stdout.write(`${JSON.stringify(problems)}\n`);
