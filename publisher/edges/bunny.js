// Between Bunny's cache and the store: the key behind an address, and the headers of what comes back. It runs only for
// what the cache does not hold; what it answers is kept there. A query never chooses another object.
import * as BunnySDK from "https://esm.sh/@bunny.net/edgescript-sdk@@SDK@";

const CROOKED = @CROOKED@;
const DATA = /^\/(content|\.well-known)(\/|$)/;
const DOCUMENTS = /^(text\/html|image\/svg)/;
const MISSING_PAGE = "/404.html";
const ALWAYS = @ALWAYS@;
const DOCUMENT = @DOCUMENT@;
const READ_BY_OTHERS = @READ_BY_OTHERS@;
const PREFLIGHT = @PREFLIGHT@;
const OF_THE_STORE = @OF_THE_STORE@;

function dressed(path, headers) {
    ["Server", "Via", "Vary", "Set-Cookie", ...OF_THE_STORE].forEach((name) => headers.delete(name));
    const document = DOCUMENTS.test(headers.get("Content-Type") || "");
    const said = { ...ALWAYS, ...(document ? DOCUMENT : {}), ...(DATA.test(path) ? READ_BY_OTHERS : {}) };
    Object.entries(said).forEach(([name, value]) => headers.set(name, value));
    return headers;
}

function words(path, status, text, headers) {
    const all = new Headers({ "Content-Type": "text/plain; charset=utf-8", ...headers });
    return new Response(text, { status, headers: dressed(path, all) });
}

function asked({ request }) {
    const url = new URL(request.url);
    const path = url.pathname;
    if (request.method === "OPTIONS") {
        const data = DATA.test(path) ? PREFLIGHT : {};
        return new Response(null, { status: 204, headers: dressed(path, new Headers({ Allow: "@METHODS@", ...data })) });
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
        return words(path, 405, "This address can only be read.", { Allow: "@METHODS@" });
    }
    if (CROOKED.test(path)) {
        url.pathname = "/-missing.html";
    } else if (path === "/content" || path === "/content/") {
        url.pathname = "/content/index.json";
    } else if (path.endsWith("/")) {
        url.pathname = path + "index.html";
    } else if (path.lastIndexOf(".") < path.lastIndexOf("/")) {
        const moved = { Location: path + "/" + url.search, "Cache-Control": "@MOVED_FOR@" };
        return new Response(null, { status: 308, headers: dressed(path, new Headers(moved)) });
    }
    url.search = "";
    const headers = new Headers(request.headers);
    ["Cookie", "Authorization", "Origin"].forEach((name) => headers.delete(name));
    return new Request(url, { method: request.method, headers });
}

async function answered({ request, response }) {
    const path = new URL(request.url).pathname;
    if (response.status >= 500) {
        const later = { "Cache-Control": "no-store", "Retry-After": "5" };
        return words(path, 503, "The store behind this page does not answer. Please try again in a few seconds.", later);
    }
    if ([400, 403, 404].includes(response.status)) {
        return missing(request, path);
    }
    return new Response(response.body, { status: response.status, headers: dressed(path, new Headers(response.headers)) });
}

async function missing(request, path) {
    const kept = { "Cache-Control": "@MISSING_FOR@" };
    const page = path === MISSING_PAGE ? null : await fetch(new URL(MISSING_PAGE, request.url));
    if (page === null || page.status !== 200) {
        return words(path, 404, "There is no page at this address.", kept);
    }
    const headers = new Headers({ "Content-Type": page.headers.get("Content-Type"), ...kept });
    return new Response(await page.arrayBuffer(), { status: 404, headers: dressed(path, headers) });
}

BunnySDK.net.http
    .servePullZone({ url: "https://reviews.example" })
    .onOriginRequest(asked)
    .onOriginResponse(answered);
