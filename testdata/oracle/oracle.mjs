// Runs independent SCIM engines on cases that the Go tests generate. Reads one
// JSON object a line on standard input and prints one a line on standard output:
//
//   {"doc": {…}, "ops": […]}    → {"scim-patch": R, "scimmy": R}
//   {"doc": {…}, "filter": "…"} → {"tree": {…}, "match": true} or {"error": "…"}
//
// where R is {"doc": {…}} or {"error": "…"}.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import SCIMMY from "scimmy";

const require = createRequire(import.meta.url);
const { scimPatch, patchBodyValidation } = require("scim-patch");
const { parse, filter } = require("scim2-parse-filter");

const message = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
SCIMMY.Schemas.User.extend(SCIMMY.Schemas.EnterpriseUser);

const copy = (v) => JSON.parse(JSON.stringify(v));

function withScimPatch(doc, ops) {
  patchBodyValidation({ schemas: [message], Operations: copy(ops) });
  return scimPatch(copy(doc), copy(ops), { mutateDocument: true, treatMissingAsAdd: false });
}

async function withScimmy(doc, ops) {
  const resource = new SCIMMY.Schemas.User(copy(doc));
  const patch = new SCIMMY.Messages.PatchOp({ schemas: [message], Operations: copy(ops) });
  return (await patch.apply(resource)) ?? resource;
}

async function outcome(engine, doc, ops) {
  try {
    return { doc: copy(await engine(doc, ops)) };
  } catch (e) {
    return { error: String(e.scimType ?? e.scimCode ?? "") + " " + String(e.message) };
  }
}

function evaluate(doc, text) {
  try {
    const tree = parse(text);
    return { tree, match: filter(tree)(doc) };
  } catch (e) {
    return { error: String(e.message) };
  }
}

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  if (line === "") continue;
  const c = JSON.parse(line);
  const result = "filter" in c
    ? evaluate(c.doc, c.filter)
    : { "scim-patch": await outcome(withScimPatch, c.doc, c.ops), scimmy: await outcome(withScimmy, c.doc, c.ops) };
  process.stdout.write(JSON.stringify(result) + "\n");
}
