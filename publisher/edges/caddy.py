"""Caddy as an edge: what the embedded stack runs. It keeps nothing, so nothing needs to be purged."""

from __future__ import annotations

from collections.abc import Mapping

from publisher.edges import (
    ALWAYS,
    COMPRESSED,
    CROOKED,
    DOCUMENT,
    METHODS,
    MISSING_FOR,
    MOVED_FOR,
    PREFLIGHT,
    READ_BY_OTHERS,
    filled,
)

# `uri` is the request line as sent: Caddy's path matchers see a cleaned, decoded path, which would hide what
# @crooked looks for. A 404 from the store covers 400 and 403 too: a key it finds odd, or may not show, isn't a page.
_CADDYFILE = r"""
{
	admin off
	auto_https off
	persist_config off
	log {
		level WARN
	}
	servers {
		timeouts {
			read_header 10s
			idle 2m
		}
	}
}

(store) {
	transport http {
		dial_timeout 1s
		response_header_timeout 10s
		keepalive_idle_conns_per_host 64
		compression off
	}
	header_up Host {upstream_hostport}
	header_up -Cookie
	header_up -Authorization
	header_up -Accept-Encoding
	header_up -Origin
	header_up -X-Amz-*
	header_up -X-Forwarded-*
	header_down -Vary
}

(always) {
	# The deletions make the whole block wait for the response, so they see what the store sent.
	header {
@ALWAYS@
		-Server
		-Via
		-X-Amz-*
		-Seaweed-*
	}
	header {
		match {
			header Content-Type text/html*
			header Content-Type image/svg+xml*
		}
@DOCUMENT@
	}
	@data{args[0]} path /content /content/* /.well-known/*
	header @data{args[0]} {
@READ_BY_OTHERS@
		defer
	}
	# A range counts bytes of what is stored, so it must not be compressed; a HEAD would get the length of no bytes.
	@whole{args[0]} {
		method GET
		not header Range *
	}
	encode @whole{args[0]} {
		zstd
		gzip
		match {
@COMPRESSED@
		}
	}
}

:@EDGE_PORT@ {
	bind 127.0.0.1

	import always 1

	route {
		@preflight {
			method OPTIONS
			path /content /content/* /.well-known/*
		}
		header @preflight {
@PREFLIGHT@
		}
		@options method OPTIONS
		header @options Allow "@METHODS@"
		respond @options 204

		@writes not method GET HEAD
		header @writes Allow "@METHODS@"
		respond @writes "This address can only be read." 405

		@bodied header_regexp Content-Length [1-9]
		respond @bodied "A request to read carries no body." 400

		@crooked vars_regexp {http.request.uri} (?i)@CROOKED@
		error @crooked 404

		@bare {
			vars_regexp bare {http.request.uri} ^(/[^?]*/|/)([^/?.]+)(\?.*)?$
			not path /content
		}
		header @bare Cache-Control "@MOVED_FOR@"
		redir @bare {re.bare.1}{re.bare.2}/{re.bare.3} 308

		# The first that matches is the only one that is done. The final ? drops the query.
		@list path /content /content/
		rewrite @list /@BUCKET@/content/index.json?
		@folder path */
		rewrite @folder /@BUCKET@{path}index.html?
		rewrite * /@BUCKET@{path}?

		reverse_proxy @STORE@ {
			import store
			@missing status 400 403 404
			handle_response @missing {
				error 404
			}
			@beyond status 416
			handle_response @beyond {
				copy_response_headers {
					include Content-Range
				}
				respond 416
			}
			@broken status 5xx
			handle_response @broken {
				error 502
			}
		}
	}

	handle_errors 404 {
		import always 2
		header {
			Cache-Control "@MISSING_FOR@"
			Vary Accept-Encoding
			-ETag
			-Last-Modified
			-Accept-Ranges
		}
		rewrite * /@BUCKET@/404.html?
		reverse_proxy @STORE@ {
			import store
			header_up -If-*
			header_up -Range
			@page status 200
			handle_response @page {
				copy_response 404
			}
			handle_response {
				respond "There is no page at this address." 404
			}
		}
	}
	handle_errors {
		import always 3
		header {
			Cache-Control no-store
			Retry-After 5
			Content-Type "text/plain; charset=utf-8"
		}
		respond "The store behind this page does not answer. Please try again in a few seconds." 503
	}
}
"""


def caddyfile(edge_port: int, store: str, bucket: str) -> str:
    """Caddy's configuration to serve `bucket` of the S3 store at `store` (host:port) on 127.0.0.1:`edge_port`."""
    words = {
        "ALWAYS": _lines(ALWAYS, 2),
        "READ_BY_OTHERS": _lines(READ_BY_OTHERS, 2),
        "PREFLIGHT": _lines(PREFLIGHT, 3),
        "COMPRESSED": "\n".join(f"\t\t\theader Content-Type {name}*" for name in COMPRESSED),
        "DOCUMENT": _lines(DOCUMENT, 2),
        "CROOKED": CROOKED,
        "METHODS": METHODS,
        "MOVED_FOR": MOVED_FOR,
        "MISSING_FOR": MISSING_FOR,
        "EDGE_PORT": str(edge_port),
        "STORE": store,
        "BUCKET": bucket,
    }
    return filled(_CADDYFILE, words)


def _lines(headers: Mapping[str, str], depth: int) -> str:
    indent = "\t" * depth
    return "\n".join(f'{indent}{name} "{value}"' for name, value in headers.items())
