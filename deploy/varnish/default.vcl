vcl 4.1;

import purge;
import std;

backend store {
	.host = "127.0.0.1";
	.port = "8333";
	.host_header = "127.0.0.1:8333";
	.connect_timeout = 1s;
	.first_byte_timeout = 10s;
	.between_bytes_timeout = 10s;
	.probe = {
		.url = "/content/robots.txt";
		.interval = 1s;
		.timeout = 1s;
		.window = 4;
		.threshold = 2;
		.initial = 2;
	}
}

acl purgers { "127.0.0.1"; }

sub vcl_recv {
	if (req.restarts > 0 && req.http.X-Purge == "forget") {
		return (purge);
	}
	if (req.restarts > 0 && req.http.X-Purge) {
		set req.hash_always_miss = true;
		return (hash);
	}
	if (req.restarts == 0) {
		unset req.http.X-Purge;
		unset req.http.X-Plain;
		unset req.http.X-Missing;
		unset req.http.X-Past;
		unset req.http.X-Moved;
		unset req.http.X-Preflight;
		set req.http.X-Path = regsub(req.url, "\?.*$", "");
		if (req.method == "PURGE" || req.method == "BAN") {
			if (client.ip !~ purgers) {
				return (synth(705, "Method Not Allowed"));
			}
			if (req.method == "BAN") {
				if (req.http.X-Tag ~ "^[0-9a-z-]+$") {
					ban("obj.http.x-amz-meta-cache-tag == " + req.http.X-Tag);
				} else {
					ban("obj.status != 0");
				}
				return (synth(200, "Banned"));
			}
			call address;
			call refresh;
			return (hash);
		}
		if (req.method == "OPTIONS") {
			return (synth(704, "No Content"));
		}
		if (req.method != "GET" && req.method != "HEAD") {
			return (synth(705, "Method Not Allowed"));
		}
		if (req.http.Content-Length ~ "[1-9]" || req.http.Transfer-Encoding) {
			return (synth(700, "Bad Request"));
		}
		if (req.url ~ "(?i)^[^?]*(//|/(\.|%2e){1,2}(/|\?|$)|/(\.|%2e)publisher/|%2f|%5c|%00|\\)") {
			set req.http.X-Missing = "1";
		} elsif (req.http.X-Path != "/content" && req.url ~ "^/([^?]*/)?[^/?.]+(\?.*)?$") {
			set req.http.X-Moved = regsub(req.url, "^([^?]*)(\?.*)?$", "\1/\2");
			return (synth(708, "Permanent Redirect"));
		}
	}
	call address;
	unset req.http.Cookie;
	unset req.http.Authorization;
	call plain;
	set req.grace = 7d;
	if (req.http.X-Past == "ask") {
		set req.grace = 0s;
	}
	return (hash);
}

# Everything is kept for a week in case the store falls ill. While it is well, what is older than its
# stale-while-revalidate allows is looked up again as if it were not there, and if that fails, once more as it is.
sub vcl_hit {
	if (obj.ttl <= 0s && !req.http.X-Past && std.healthy(req.backend_hint)
		&& obj.ttl + std.duration(obj.http.X-Stale-For, 0s) <= 0s) {
		set req.http.X-Past = "ask";
		return (restart);
	}
}

# The key of an object, and of its place in the cache: no query, no host.
sub address {
	if (req.http.X-Missing) {
		set req.url = "/content/404.html";
	} elsif (req.http.X-Path ~ "^/content/?$") {
		set req.url = "/content/content/index.json";
	} elsif (req.http.X-Path ~ "/$") {
		set req.url = "/content" + req.http.X-Path + "index.html";
	} else {
		set req.url = "/content" + req.http.X-Path;
	}
}

# A range counts bytes of what is stored, and a HEAD tells its length: for both an object is kept uncompressed.
sub plain {
	unset req.http.X-Plain;
	if (req.method == "HEAD" || req.http.Range || req.http.Accept-Encoding !~ "gzip") {
		set req.http.X-Plain = "1";
		unset req.http.Accept-Encoding;
	}
}

# One request fetches both forms of an object, one after the other: compressed, and then plain if it is kept so. A
# failure turns it into one that deletes both.
sub refresh {
	set req.http.X-Purge = "refresh";
	set req.method = "GET";
	unset req.http.Range;
	unset req.http.If-None-Match;
	unset req.http.If-Modified-Since;
	unset req.http.Cookie;
	unset req.http.Authorization;
	set req.hash_always_miss = true;
}

# What is kept is past its time from now on, and bridges the time until the new one is there.
sub vcl_miss {
	if (req.http.X-Purge && purge.soft(0s, 1m, 0s) == 0 && req.http.X-Plain) {
		return (synth(200, "Purged"));
	}
}

sub refreshed {
	if (resp.status != 200) {
		set req.http.X-Purge = "forget";
		unset req.http.X-Plain;
		return (restart);
	}
	if (!req.http.X-Plain) {
		set req.http.X-Plain = "1";
		return (restart);
	}
	return (synth(200, "Purged"));
}

sub vcl_purge {
	if (!req.http.X-Plain) {
		set req.http.X-Plain = "1";
		return (restart);
	}
	return (synth(200, "Purged"));
}

sub vcl_hash {
	hash_data(req.url);
	hash_data(req.http.X-Plain);
	return (lookup);
}

sub vcl_backend_fetch {
	if (bereq.http.X-Purge) {
		set bereq.first_byte_timeout = 4s;
		set bereq.http.Purpose = "prefetch";
	}
	unset bereq.http.X-Path;
	unset bereq.http.X-Missing;
	unset bereq.http.X-Past;
	unset bereq.http.Accept-Encoding;
	unset bereq.http.Origin;
	unset bereq.http.X-Forwarded-For;
}

sub vcl_backend_response {
	if (bereq.http.X-Purge) {
		# Nobody hears that it is there before all of it is.
		set beresp.do_stream = false;
	}
	unset beresp.http.Vary;
	unset beresp.http.Set-Cookie;
	unset beresp.http.x-amz-request-id; unset beresp.http.x-amz-id-2; unset beresp.http.x-amz-version-id; unset beresp.http.x-amz-server-side-encryption; unset beresp.http.x-amz-storage-class; unset beresp.http.x-amz-replication-status; unset beresp.http.x-amz-expiration; unset beresp.http.x-amz-bucket-region; unset beresp.http.seaweed-x-amz-etag; unset beresp.http.seaweed-x-amz-owner;
	if (beresp.status == 400 || beresp.status == 403 || beresp.status == 404) {
		set beresp.ttl = 30s;
		set beresp.grace = 0s;
		set beresp.uncacheable = false;
	} elsif (beresp.status >= 500) {
		# What is delivered takes the place of an older page, whatever its status.
		return (abandon);
	} elsif (!beresp.http.Cache-Control && !beresp.http.Expires) {
		set beresp.ttl = 2m;
		set beresp.uncacheable = true;
	} else {
		set beresp.http.X-Stale-For = regsub(beresp.http.Cache-Control, "^.*stale-while-revalidate=([0-9]+).*$", "\1s");
		set beresp.grace = 7d;
	}
	if (!bereq.http.X-Plain && beresp.http.Content-Type ~ "^(text/html|text/css|text/javascript|text/plain|application/json|application/feed\+json|application/manifest\+json|application/xml|application/atom\+xml|image/svg\+xml)") {
		set beresp.do_gzip = true;
	}
}

sub vcl_backend_error {
	return (abandon);
}

sub vcl_deliver {
	if (req.http.X-Purge) {
		call refreshed;
	}
	if (!req.http.X-Missing && (resp.status == 400 || resp.status == 403 || resp.status == 404)) {
		set req.http.X-Missing = "1";
		unset req.http.Range;
		return (restart);
	}
	if (req.http.X-Missing) {
		set resp.status = 404;
		set resp.reason = "Not Found";
		set resp.http.Cache-Control = "public, max-age=30";
		unset resp.http.ETag;
		unset resp.http.Last-Modified;
		unset resp.http.Accept-Ranges;
	}
	if (resp.status >= 500) {
		return (synth(703, "Service Unavailable"));
	}
	call headers;
}

sub vcl_synth {
	if (resp.status == 503 && req.http.X-Purge == "refresh") {
		set req.http.X-Purge = "forget";
		unset req.http.X-Plain;
		return (restart);
	}
	if (resp.status == 503 && req.http.X-Past == "ask") {
		set req.http.X-Past = "keep";
		return (restart);
	}
	if (resp.status == 704) {
		set resp.http.Allow = "GET, HEAD, OPTIONS";
		if (req.http.X-Path ~ "^/(content|\.well-known)(/|$)") {
			set resp.http.Access-Control-Allow-Methods = "GET, HEAD, OPTIONS"; set resp.http.Access-Control-Allow-Headers = "If-None-Match, Range"; set resp.http.Access-Control-Max-Age = "86400";
		}
		set resp.status = 204;
		set resp.body = "";
	} elsif (resp.status == 705) {
		set resp.http.Allow = "GET, HEAD, OPTIONS";
		set resp.status = 405;
		set resp.body = "This address can only be read.";
	} elsif (resp.status == 708) {
		set resp.http.Location = req.http.X-Moved;
		set resp.http.Cache-Control = "public, max-age=300";
		set resp.status = 308;
		set resp.body = "";
	} elsif (resp.status == 700) {
		set resp.status = 400;
		set resp.body = "A request to read carries no body.";
	} elsif (resp.status == 703 || resp.status >= 500) {
		set resp.status = 503;
		set resp.http.Cache-Control = "no-store";
		set resp.http.Retry-After = "5";
		set resp.body = "The store behind this page does not answer. Please try again in a few seconds.";
	} else {
		set resp.body = "";
	}
	set resp.http.Content-Type = "text/plain; charset=utf-8";
	call headers;
	return (deliver);
}

sub headers {
	unset resp.http.X-Varnish;
	unset resp.http.X-Stale-For;
	unset resp.http.Via;
	unset resp.http.Server;
	unset resp.http.x-amz-meta-cache-tag;
	set resp.http.X-Content-Type-Options = "nosniff"; set resp.http.Referrer-Policy = "strict-origin-when-cross-origin"; set resp.http.Cross-Origin-Resource-Policy = "cross-origin";
	if (resp.http.Content-Type ~ "^(text/html|image/svg)") {
		set resp.http.Content-Security-Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https: data:; connect-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types portal"; set resp.http.Cross-Origin-Opener-Policy = "same-origin"; set resp.http.Permissions-Policy = "camera=(), geolocation=(), microphone=(), payment=(), usb=()";
	}
	if (req.http.X-Path ~ "^/(content|\.well-known)(/|$)") {
		set resp.http.Access-Control-Allow-Origin = "*"; set resp.http.Access-Control-Expose-Headers = "ETag";
	}
}
