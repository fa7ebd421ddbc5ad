// A pull zone of Bunny's without its cache: serves a folder of a store as a middleware script has it, until it is ended.
// usage: node pullzone.mjs PORT SCRIPT SDK ORIGIN. SDK is Bunny's own library, which the script imports.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [port, script, sdk, origin] = process.argv.slice(2);
let hooks;
globalThis.Bunny = { v1: { registerMiddlewares: (given) => { hooks = given; } } };

const folder = mkdtempSync(join(tmpdir(), "pullzone-"));
const local = pathToFileURL(resolve(sdk)).href;
writeFileSync(join(folder, "script.mjs"), readFileSync(script, "utf8").replace(/"https:\/\/esm\.sh\/[^"]+"/, JSON.stringify(local)));
await import(pathToFileURL(join(folder, "script.mjs")).href);
rmSync(folder, { recursive: true });

async function through(request) {
    for (const hook of hooks.onOriginRequest) {
        const said = await hook({ request });
        if (said instanceof Response) return said;
        request = said;
    }
    const url = new URL(request.url);
    const fetched = await fetch(origin + url.pathname + url.search, { method: request.method, headers: request.headers, redirect: "manual" });
    let response = new Response(fetched.body, { status: fetched.status, headers: new Headers(fetched.headers) });
    for (const hook of hooks.onOriginResponse) response = await hook({ request, response });
    return response;
}

const FORWARDED = ["if-none-match", "if-modified-since", "range", "cookie", "authorization", "origin"];
const server = createServer(async (asked, answer) => {
    try {
        const headers = Object.fromEntries(FORWARDED.filter((name) => name in asked.headers).map((name) => [name, asked.headers[name]]));
        const base = `http://127.0.0.1:${port}`;
        const response = await through(new Request(base + asked.url, { method: asked.method, headers: { ...headers, "Accept-Encoding": "identity" } }));
        const body = Buffer.from(await response.arrayBuffer());
        answer.writeHead(response.status, Object.fromEntries(response.headers));
        answer.end(asked.method === "HEAD" ? undefined : body);
    } catch (error) {
        answer.writeHead(500).end(String(error.stack));
    }
});
server.listen(Number(port), "127.0.0.1");
