"""nginx as an edge: a cache of its own on disk, purged by `PURGE /address` (Debian: libnginx-mod-http-cache-purge).

A purge has the page fetched anew, in place of the one that is kept, before it is answered: readers get the old one
until then and the new one from then on, and none of them waits. Only what the store no longer has, does not give, or
does not let be kept is deleted (docs/decisions/0039).

A page past its time is served at once while a fresh one is fetched, for as long as its stale-while-revalidate allows,
and goes on being served for a week when the store is gone; of readers who ask at once for the same page that is not
kept, one fetches it. The query takes no part in the key. What is missing is not kept: the purge module cannot make
nginx forget an error.

nginx asks the store through a server of its own, which takes `stale-if-error` out of what the cache sees: nginx takes a
404 for an error too, and would serve for a week what was removed (ngx_http_upstream_test_next). What readers are told
is as it was put. A page past its time is fetched whole and not by a condition, because at a 304 nginx keeps the headers
it had, and a change of headers alone would never arrive.
Brotli needs libnginx-mod-http-brotli-filter; without it leave `brotli` out. A store over HTTPS must prove its name.
Names are looked up when nginx starts or reloads, and at no other time (before 1.27.3, which knows `server … resolve`).
"""

from __future__ import annotations

import msgspec

from publisher.edges import (
    ALWAYS,
    COMPRESSED,
    CROOKED,
    DOCUMENT,
    METHODS,
    MISSING_FOR,
    MOVED_FOR,
    OF_THE_STORE,
    PREFLIGHT,
    READ_BY_OTHERS,
    filled,
)

_MODULES = "/usr/lib/nginx/modules"

# What is asked of the store is made from the request line as sent ($request_uri), never from the decoded $uri: a
# decoded line break in it would be a second request. The statuses 418 and 419 are marks for answers made here.
_CONFIGURATION = r"""
load_module @MODULES@/ngx_http_cache_purge_module.so;
@BROTLI_MODULE@
@USER@
worker_processes auto;
pid @HOME@/nginx.pid;
error_log @LOG@ warn;
events { worker_connections 4096; }

http {
	access_log off;
	server_tokens off;
	client_body_temp_path @HOME@/body;
	proxy_temp_path @HOME@/proxy;
	fastcgi_temp_path @HOME@/fastcgi;
	uwsgi_temp_path @HOME@/uwsgi;
	scgi_temp_path @HOME@/scgi;
	proxy_cache_path @HOME@/cache levels=1:2 keys_zone=site:32m max_size=@CACHE_SIZE@ inactive=7d use_temp_path=off;

	map $request_uri $path { "~^(?<before>[^?]*)" $before; }
	map $request_uri $crooked { default 0; "~*@CROOKED@" 1; }
	map $path $key {
		default $path;
		"~^/content/?$" /content/index.json;
		"~/$" ${path}index.html;
	}
	map $request_uri $slashed {
		default "";
		"~^/content(\?|$)" "";
		"~^(?<folder>/(?:[^?]*/)?[^/?.]+)(?<query>\?.*)?$" $folder/$query;
	}
	map $request_method $writes { default 1; GET 0; HEAD 0; OPTIONS 0; PURGE 0; }
	map $request_method$http_range $whole { default 1; GET 0; PURGE 0; OPTIONS 0; }
	map $http_content_length$http_transfer_encoding $bodied { default 0; "~*[1-9a-z]" 1; }
	map $path $data { default ""; "~^/(content|\.well-known)(/|$)" 1; }
	map $slashed $lasting { default "@MOVED_FOR@"; "" $upstream_http_x_put_cache_control; }
	map $request_method $allow { default ""; OPTIONS "@METHODS@"; }
	map $request_method$data $preflight { default ""; OPTIONS1 1; }
	@MAPS@
	map $sent_http_content_type $document { default ""; "~^(text/html|image/svg)" 1; }

	map $upstream_http_cache_control $kept {
		default $upstream_http_cache_control;
		"~^(?<first>.*?),?\s*stale-if-error=\d+(?<last>.*)$" $first$last;
	}

	map $refreshed $purged {
		default /-forget;
		"~^([0-9]+, )*200 (?!.*(no-store|no-cache|private)).*(s-maxage|max-age)=[1-9]" /-refreshed;
	}

	upstream store { server @SERVER@; keepalive 64; }
	upstream asking { server @INNER@; keepalive 64; }

	server {
		listen @INNER@;
		keepalive_requests 100000;
		location / {
			limit_except GET { deny all; }
			proxy_http_version 1.1;
			proxy_set_header Host @STORE@;
			proxy_set_header Connection "";
			proxy_connect_timeout 1s;
			proxy_read_timeout 10s;
			@TLS@
			proxy_hide_header Cache-Control;
			add_header Cache-Control $kept always;
			add_header X-Put-Cache-Control $upstream_http_cache_control always;
			proxy_pass @SCHEME@://store;
		}
	}

	server {
		listen @LISTEN@;
		keepalive_timeout 2m;
		client_header_timeout 10s;
		absolute_redirect off;
		recursive_error_pages on;
		gzip on; gzip_vary on; gzip_proxied any; gzip_comp_level 5; gzip_min_length 256;
		gzip_types @GZIP_TYPES@;
		@BROTLI@

		location / {
			if ($writes) { return 405; }
			if ($request_method = OPTIONS) { return 204; }
			if ($request_method = PURGE) { rewrite ^ /-purge last; }
			if ($bodied) { return 418; }
			if ($crooked) { return 404; }
			if ($slashed) { return 308 $slashed; }
			if ($whole) { return 419; }
			error_page 419 = @whole;
			@OBJECT@
		}
		# A range counts bytes of what is stored, and a HEAD tells its length: neither is compressed.
		location @whole {
			gzip off;
			@BROTLI_OFF@
			@OBJECT@
		}
		location = /-missing {
			internal;
			@HEADERS@
			@PROXY@
			proxy_read_timeout 10s;
			proxy_ignore_headers Cache-Control Expires;
			proxy_cache_use_stale updating error timeout http_500 http_502 http_503 http_504;
			proxy_hide_header ETag;
			proxy_hide_header Last-Modified;
			proxy_hide_header Accept-Ranges;
			add_header Cache-Control "@MISSING_FOR@" always;
			max_ranges 0;
			if_modified_since off;
			proxy_cache_valid 200 30s;
			proxy_cache_key /404.html;
			proxy_method GET;
			error_page 500 502 503 504 = @away;
			proxy_pass http://asking/@BUCKET@/404.html;
		}
		location = /-purge {
			internal;
			@PURGERS@
			deny all;
			error_page 403 = @refused;
			auth_request /-refresh;
			auth_request_set $refreshed "$upstream_status $upstream_http_cache_control";
			try_files /-none $purged;
		}
		# What is asked here takes the place of what is kept once it is whole, and this is answered after that.
		location = /-refresh {
			internal;
			@PROXY@
			proxy_read_timeout 5s;
			proxy_pass_request_body off;
			proxy_set_header Content-Length "";
			proxy_set_header Purpose prefetch;
			proxy_cache_bypass 1;
			proxy_cache_key $key;
			proxy_intercept_errors on;
			error_page 400 403 404 405 412 416 429 500 502 503 504 =204 @unfit;
			proxy_pass http://asking/@BUCKET@$key;
		}
		location @unfit {
			if ($request_uri ~ ^/-) { return 404; }
			return 204;
		}
		location = /-refreshed {
			internal;
			return 204;
		}
		location = /-forget {
			internal;
			proxy_cache_purge site $key;
		}
		location @bodied {
			@HEADERS@
			default_type text/plain;
			return 400 "A request to read carries no body.\n";
		}
		location @refused {
			@HEADERS@
			add_header Allow "@METHODS@" always;
			default_type text/plain;
			return 405 "This address can only be read.\n";
		}
		location @away {
			@HEADERS@
			add_header Cache-Control no-store always;
			add_header Retry-After 5 always;
			default_type text/plain;
			return 503 "The store behind this page does not answer. Please try again in a few seconds.\n";
		}
	}
}
"""
_OBJECT = r"""
@HEADERS@
add_header Cache-Control $lasting always;
error_page 400 403 404 =404 /-missing;
error_page 405 = @refused;
error_page 418 =400 @bodied;
error_page 500 502 503 504 = @away;
proxy_intercept_errors on;
@PROXY@
proxy_read_timeout 10s;
proxy_cache_use_stale error timeout http_500 http_502 http_503 http_504;
proxy_cache_key $key;
proxy_pass http://asking/@BUCKET@$key;
"""
_PROXY = r"""
proxy_http_version 1.1;
proxy_set_header Host @STORE@;
proxy_set_header Connection "";
proxy_set_header Cookie "";
proxy_set_header Authorization "";
proxy_set_header Accept-Encoding "";
proxy_set_header Origin "";
proxy_connect_timeout 1s;
proxy_cache site;
proxy_cache_lock on;
proxy_cache_background_update on;
proxy_ignore_headers Vary Set-Cookie;
proxy_hide_header Cache-Control;
proxy_hide_header X-Put-Cache-Control;
proxy_hide_header Vary;
proxy_hide_header Set-Cookie;
@HIDDEN@
"""

_TLS = r"""
proxy_ssl_server_name on;
proxy_ssl_name @HOST@;
proxy_ssl_verify on;
proxy_ssl_verify_depth 3;
proxy_ssl_trusted_certificate @TRUSTED@;
"""

_SWITCHED = [
    *((name, value, "data") for name, value in READ_BY_OTHERS.items()),
    *((name, value, "preflight") for name, value in PREFLIGHT.items()),
    *((name, value, "document") for name, value in DOCUMENT.items()),
]


class Nginx(msgspec.Struct, frozen=True, kw_only=True):
    """Where an nginx edge listens and keeps its files (`home` is writable), and who may purge it (addresses, CIDR).

    `inner` is where it listens for itself: a socket in a folder would be in the way after a kill.
    """

    listen: str = "80"
    inner: str = "127.0.0.1:8079"
    user: str = "www-data"
    home: str = "/var/lib/nginx"
    log: str = "/var/log/nginx/error.log"
    purgers: tuple[str, ...] = ("127.0.0.1",)
    cache_size: str = "2g"
    brotli: bool = True
    trusted: str = "/etc/ssl/certs/ca-certificates.crt"
    """Whose certificates are believed of a store over HTTPS: a file of them."""


def configuration(store: str, bucket: str, how: Nginx) -> str:
    """nginx's whole configuration to serve `bucket` of the S3 store at `store`: `host:port`, or `https://host`."""
    scheme, _, store = store.rstrip("/").rpartition("://")
    host, _, port = store.partition(":")
    is_secret = scheme == "https"
    types = " ".join(name for name in COMPRESSED if name != "text/html")
    hidden = "\n".join(f"proxy_hide_header {name};" for name in OF_THE_STORE)
    proxy = filled(_PROXY, {"STORE": store, "HIDDEN": hidden})
    words = {
        "MODULES": _MODULES,
        "BROTLI_MODULE": f"load_module {_MODULES}/ngx_http_brotli_filter_module.so;" if how.brotli else "",
        "BROTLI": f"brotli on; brotli_comp_level 5; brotli_min_length 256; brotli_types {types};" if how.brotli else "",
        "BROTLI_OFF": "brotli off;" if how.brotli else "",
        "HEADERS": _headers(),
        "MAPS": "\n\t".join(
            f'map ${switch} ${_variable(name)} {{ default ""; 1 "{value}"; }}' for name, value, switch in _SWITCHED
        ),
        "OBJECT": filled(_OBJECT, {"HEADERS": _headers(), "PROXY": proxy, "BUCKET": bucket}),
        "PROXY": proxy,
        "GZIP_TYPES": types,
        "CROOKED": CROOKED.replace("\\\\", "\\\\" * 2),  # between quotes, two backslashes are one
        "MOVED_FOR": MOVED_FOR,
        "METHODS": METHODS,
        "MISSING_FOR": MISSING_FOR,
        "USER": f"user {how.user};" if how.user else "",
        "LISTEN": how.listen,
        "INNER": how.inner,
        "HOME": how.home,
        "LOG": how.log,
        "PURGERS": " ".join(f"allow {address};" for address in how.purgers),
        "CACHE_SIZE": how.cache_size,
        "STORE": store,
        "SERVER": f"{host}:{port or (443 if is_secret else 80)}",
        "SCHEME": "https" if is_secret else "http",
        "TLS": filled(_TLS, {"HOST": host, "TRUSTED": how.trusted}) if is_secret else "",
        "BUCKET": bucket,
    }
    return filled(_CONFIGURATION, words)


def _headers() -> str:
    """The headers of every answer; one whose variable is empty is not sent."""
    said = {name: f'"{value}"' for name, value in ALWAYS.items()} | {"Allow": "$allow"}
    said |= {name: f"${_variable(name)}" for name, _, _ in _SWITCHED}
    return " ".join(f"add_header {name} {value} always;" for name, value in said.items())


def _variable(header: str) -> str:
    return header.lower().replace("-", "_")
