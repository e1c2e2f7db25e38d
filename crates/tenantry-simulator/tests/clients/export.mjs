// Exports a simulated tenant with auth0-deploy-cli and prints, as one JSON object, what the exported tenant.yaml names.
//
// Usage: node export.mjs http://127.0.0.1:PORT WORK_FOLDER CLIENTS_FOLDER, with AUTH0_CLIENT_ID and
// AUTH0_CLIENT_SECRET set. The command insists on https, so a certificate is made for this run alone and the simulator
// is put behind it. It compares nothing; a failed export ends it with the command's own output.

import { execFileSync, spawn } from "node:child_process";
import { readFileSync, realpathSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { createRequire } from "node:module";
import path from "node:path";

const [simulator, work, clients] = process.argv.slice(2);

function certificate() {
  const [key, cert] = [path.join(work, "key.pem"), path.join(work, "cert.pem")];
  const names = "subjectAltName=DNS:localhost,IP:127.0.0.1";
  const what = ["-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-addext", names, "-days", "2"];
  execFileSync("openssl", ["req", "-x509", ...what, "-keyout", key, "-out", cert], { stdio: "pipe" });
  return { key, cert };
}

// An https server on a free port that hands everything on to the simulator; refusals other than 404 go to `refused`.
function proxy({ key, cert }, refused) {
  const target = new URL(simulator);
  const server = https.createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (asked, answer) => {
    const options = {
      host: target.hostname,
      port: target.port,
      method: asked.method,
      path: asked.url,
      headers: { ...asked.headers, "x-forwarded-proto": "https" },
    };
    const passed = http.request(options, (got) => {
      if (got.statusCode >= 400 && got.statusCode !== 404) refused.push(`${got.statusCode} ${asked.method} ${asked.url}`);
      answer.writeHead(got.statusCode, got.headers);
      got.pipe(answer);
    });
    passed.on("error", (error) => answer.destroy(error));
    asked.pipe(passed);
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

// Runs the command; its exit code and all that it said.
function run(port, cert, folder) {
  const command = realpathSync(path.join(clients, "node_modules", ".bin", "a0deploy"));
  const extra = { NODE_EXTRA_CA_CERTS: cert, AUTH0_DOMAIN: `127.0.0.1:${port}` };
  const child = spawn(process.execPath, [command, "export", "--format", "yaml", "--output_folder", folder], {
    cwd: work,
    env: { ...process.env, ...extra },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes) => (said += bytes));
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, said })));
}

const names = (rows, name = "name") => (rows ?? []).map((row) => row[name]).sort();

function summary(folder) {
  const yaml = createRequire(path.join(clients, "package.json"))("js-yaml");
  const tenant = yaml.load(readFileSync(path.join(folder, "tenant.yaml"), "utf8"));
  return {
    actions: names(tenant.actions),
    client_grants: (tenant.clientGrants ?? []).length,
    clients: names(tenant.clients),
    connections: [...names(tenant.databases), ...names(tenant.connections)].sort(),
    log_streams: names(tenant.logStreams),
    organizations: names(tenant.organizations),
    resource_servers: names(tenant.resourceServers, "identifier"),
    roles: names(tenant.roles),
  };
}

const files = certificate();
const refused = [];
const server = await proxy(files, refused);
const folder = path.join(work, "exported");
const { code, said } = await run(server.address().port, files.cert, folder);
server.close();
server.closeAllConnections();
if (code !== 0 || !said.includes("Export Successful")) {
  process.stderr.write(`${said}\na0deploy export ended with ${code}\n`);
  process.exit(1);
}
const complaints = said.split("\n").filter((line) => /\b(warn|error)\b/.test(line));
process.stdout.write(JSON.stringify({ refused, complaints, exported: summary(folder) }));
