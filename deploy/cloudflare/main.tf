# Cloudflare's network before a bucket of R2. The headers are those of words.tf.json, which is made from publisher/edges.
# terraform init && terraform apply -var account_id=… -var zone_id=… -var domain=reviews.example

terraform {
  required_version = ">= 1.6"
  required_providers {
    cloudflare = {
      source  = "cloudflare/cloudflare"
      version = "~> 5.19"
    }
  }
}

variable "account_id" {
  type        = string
  description = "The account at Cloudflare."
}

variable "zone_id" {
  type        = string
  description = "The zone (domain) that the site belongs to."
}

variable "domain" {
  type        = string
  description = "Where readers find the site: the zone's own name, or one below it."
}

variable "bucket" {
  type    = string
  default = "reviews"
}

variable "location" {
  type        = string
  default     = "enam"
  description = "Near the publisher: enam, wnam, weur, eeur, apac; there is none in South America."
}

variable "missing_page" {
  type        = bool
  default     = false
  description = "Whether to show the site's own page for what is missing (Pro plan). Set it after the first publish."
}

locals {
  here      = "http.host eq \"${var.domain}\""
  is_data = join(" ", [
    "(raw.http.request.uri.path eq \"/content\" or starts_with(raw.http.request.uri.path, \"/content/\")",
    "or starts_with(raw.http.request.uri.path, \"/.well-known/\"))",
  ])
  is_page   = "http.response.content_type.media_type in {\"text/html\" \"image/svg+xml\"}"
  no_folder = "not ends_with(http.request.uri.path, \"/\") and http.request.uri.path.extension eq \"\" and http.request.uri.path ne \"/content\""
}

resource "cloudflare_r2_bucket" "content" {
  account_id = var.account_id
  name       = var.bucket
  location   = var.location
}

resource "cloudflare_r2_bucket" "backup" {
  account_id = var.account_id
  name       = "${var.bucket}-backup"
  location   = var.location
}

resource "cloudflare_r2_custom_domain" "site" {
  account_id  = var.account_id
  bucket_name = cloudflare_r2_bucket.content.name
  domain      = var.domain
  zone_id     = var.zone_id
  enabled     = true
  min_tls     = "1.2"
}

resource "cloudflare_r2_bucket_cors" "content" {
  account_id  = var.account_id
  bucket_name = cloudflare_r2_bucket.content.name
  rules = [{
    allowed = {
      methods = ["GET", "HEAD"]
      origins = ["*"]
      headers = split(", ", local.preflight["Access-Control-Allow-Headers"])
    }
    expose_headers  = [local.read_by_others["Access-Control-Expose-Headers"]]
    max_age_seconds = tonumber(local.preflight["Access-Control-Max-Age"])
  }]
}

# The key behind an address. The query is dropped before the cache is asked: it never chooses another object.
resource "cloudflare_ruleset" "addresses" {
  zone_id = var.zone_id
  name    = "Clean addresses"
  kind    = "zone"
  phase   = "http_request_transform"
  rules = [
    {
      description = "The list of all reviews"
      expression  = "${local.here} and http.request.uri.path in {\"/content\" \"/content/\"}"
      action      = "rewrite"
      action_parameters = {
        uri = {
          path  = { value = "/content/index.json" }
          query = { value = "" }
        }
      }
    },
    {
      description = "Folders"
      expression  = "${local.here} and ends_with(http.request.uri.path, \"/\")"
      action      = "rewrite"
      action_parameters = {
        uri = {
          path  = { expression = "concat(http.request.uri.path, \"index.html\")" }
          query = { value = "" }
        }
      }
    },
    {
      description = "Everything else"
      expression  = "${local.here} and http.request.uri.query ne \"\""
      action      = "rewrite"
      action_parameters = {
        uri = { query = { value = "" } }
      }
    },
  ]
}

resource "cloudflare_ruleset" "redirects" {
  zone_id = var.zone_id
  name    = "A folder without its slash"
  kind    = "zone"
  phase   = "http_request_dynamic_redirect"
  rules = [{
    description = "A folder without its slash"
    expression  = "${local.here} and ${local.no_folder}"
    action      = "redirect"
    action_parameters = {
      from_value = {
        status_code           = 308
        target_url            = { expression = "concat(\"https://\", http.host, http.request.uri.path, \"/\")" }
        preserve_query_string = true
      }
    }
  }]
}

resource "cloudflare_ruleset" "cache" {
  zone_id = var.zone_id
  name    = "Cache what the store says"
  kind    = "zone"
  phase   = "http_request_cache_settings"
  rules = [{
    description = "HTML and JSON too, for as long as their headers say"
    expression  = local.here
    action      = "set_cache_settings"
    action_parameters = {
      cache                = true
      edge_ttl             = { mode = "respect_origin" }
      browser_ttl          = { mode = "respect_origin" }
      respect_strong_etags = true
    }
  }]
}

resource "cloudflare_ruleset" "headers" {
  zone_id = var.zone_id
  name    = "Headers"
  kind    = "zone"
  phase   = "http_response_headers_transform"
  rules = [
    {
      description = "On every answer"
      expression  = local.here
      action      = "rewrite"
      action_parameters = {
        headers = merge(
          { for name, value in local.always : name => { operation = "set", value = value } },
          { for name in local.of_the_store : name => { operation = "remove" } },
        )
      }
    },
    {
      description = "On documents"
      expression  = "${local.here} and ${local.is_page}"
      action      = "rewrite"
      action_parameters = {
        headers = { for name, value in local.document : name => { operation = "set", value = value } }
      }
    },
    {
      description = "What apps of other origins may read"
      expression  = "${local.here} and ${local.is_data}"
      action      = "rewrite"
      action_parameters = {
        headers = { for name, value in local.read_by_others : name => { operation = "set", value = value } }
      }
    },
    {
      description = "What they may not"
      expression  = "${local.here} and not ${local.is_data}"
      action      = "rewrite"
      action_parameters = {
        headers = { for name, value in local.read_by_others : name => { operation = "remove" } }
      }
    },
  ]
}

resource "cloudflare_ruleset" "firewall" {
  zone_id = var.zone_id
  name    = "What leads nowhere"
  kind    = "zone"
  phase   = "http_request_firewall_custom"
  rules = [{
    description = "The publisher's own, and addresses that hide what they ask for"
    expression = join(" ", [
      local.here, "and (lower(raw.http.request.uri.path) contains \"/.publisher/\"",
      "or lower(raw.http.request.uri.path) contains \"/%2epublisher/\"",
      "or lower(raw.http.request.uri.path) contains \"%2f\" or lower(raw.http.request.uri.path) contains \"%5c\"",
      "or raw.http.request.uri.path contains \"//\")",
    ])
    action = "block"
    action_parameters = {
      response = {
        status_code  = 404
        content_type = "text/plain"
        content      = "There is no page at this address."
      }
    }
  }]
}

resource "cloudflare_ruleset" "rate" {
  zone_id = var.zone_id
  name    = "Nobody reads so fast"
  kind    = "zone"
  phase   = "http_ratelimit"
  rules = [{
    description = "Nobody reads so fast"
    expression  = local.here
    action      = "block"
    ratelimit = {
      characteristics     = ["cf.colo.id", "ip.src"]
      period              = 10
      requests_per_period = 500
      mitigation_timeout  = 10
    }
  }]
}

resource "cloudflare_custom_page_asset" "missing" {
  count       = var.missing_page ? 1 : 0
  zone_id     = var.zone_id
  name        = "missing"
  description = "The site's page for what is missing, as it was when this was applied"
  url         = "https://${var.domain}/404.html"
}

resource "cloudflare_ruleset" "missing" {
  count   = var.missing_page ? 1 : 0
  zone_id = var.zone_id
  name    = "What is missing"
  kind    = "zone"
  phase   = "http_custom_errors"
  rules = [{
    description = "The site's own page"
    expression  = "${local.here} and http.response.code in {400 403 404}"
    action      = "serve_error"
    action_parameters = {
      asset_name   = cloudflare_custom_page_asset.missing[0].name
      content_type = "text/html"
      status_code  = 404
    }
  }]
}

output "endpoint" {
  value       = "https://${var.account_id}.r2.cloudflarestorage.com"
  description = "S3_ENDPOINT."
}

output "bucket" {
  value       = cloudflare_r2_bucket.content.name
  description = "S3_BUCKET."
}

output "backup_bucket" {
  value       = cloudflare_r2_bucket.backup.name
  description = "BACKUP_BUCKET."
}
