// Checks KQL with Microsoft's language service: names, types and syntax against the tables that are told.
//
// In on stdin: {"tables": {"Syslog": {"TimeGenerated": "datetime", ...}}, "functions": ["(name:string) { ... }"], "queries": {"id": "KQL"}}
// Out on stdout: {"id": [{"severity": "Error", "code": "KS142", "message": "...", "start": 17, "length": 4}]}, every query named.
"use strict";

const fs = require("fs");
const path = require("path");

const folder = process.env.KUSTO_LANGUAGE_SERVICE || path.join(__dirname, "node_modules", "@kusto", "language-service-next");
require(path.join(folder, "bridge.min.js"));
require(path.join(folder, "Kusto.Language.Bridge.min.js"));

/* global Bridge, Kusto */
const { Language } = Kusto;
const { Symbols } = Language;

function table(name, columns) {
  const listed = Object.entries(columns).map(([column, type]) => `${column}: ${type}`);
  return new Symbols.TableSymbol.$ctor7(name, `(${listed.join(", ")})`, null);
}

function database(asked) {
  const tables = Object.entries(asked.tables).map(([name, columns]) => table(name, columns));
  const functions = Object.entries(asked.functions || {}).map(
    ([name, { parameters, body }]) => new Symbols.FunctionSymbol.$ctor16(name, parameters, body, null),
  );
  return new Symbols.DatabaseSymbol.ctor("workspace", [...tables, ...functions]);
}

function diagnostics(globals, query) {
  const code = Language.KustoCode.ParseAndAnalyze(query, globals);
  const found = Bridge.toArray(code.GetDiagnostics());
  return found.map((one) => ({
    severity: one.Severity,
    code: one.Code,
    message: one.Message,
    start: one.Start,
    length: one.Length,
  }));
}

const asked = JSON.parse(fs.readFileSync(0, "utf8"));
const globals = Language.GlobalState.Default.WithDatabase(database(asked));
const answer = {};
for (const [id, query] of Object.entries(asked.queries)) {
  answer[id] = diagnostics(globals, query);
}
process.stdout.write(JSON.stringify(answer));
