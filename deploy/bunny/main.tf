# Bunny's network before a bucket that anyone may read, such as one of DigitalOcean's Spaces (../digitalocean). Addresses and
# headers are the work of script.js, which `publisher edge config bunny` writes; it runs for what the cache does not hold.
# BUNNYNET_API_KEY=… terraform apply -var origin=https://reviews.fra1.digitaloceanspaces.com -var domain=reviews.example

terraform {
  required_version = ">= 1.6"
  required_providers {
    bunnynet = {
      source  = "BunnyWay/bunnynet"
      version = "~> 0.10"
    }
  }
}

variable "domain" {
  type        = string
  description = "Where readers find the site. Point it at `cdn_domain` by a CNAME record."
}

variable "origin" {
  type        = string
  description = "Where the objects of the bucket are read: the address of the bucket itself, not of a website."
}

variable "name" {
  type    = string
  default = "reviews"
}

resource "bunnynet_compute_script" "addresses" {
  name    = "${var.name}-addresses"
  type    = "middleware"
  content = file("${path.module}/script.js")
}

resource "bunnynet_pullzone" "site" {
  name = var.name

  origin {
    type              = "OriginUrl"
    url               = var.origin
    follow_redirects  = false
    verify_ssl        = true
    middleware_script = bunnynet_compute_script.addresses.id
  }

  routing {
    tier  = "Standard"
    zones = ["SA", "US", "EU", "ASIA"]
  }

  # Everything is kept as long as its headers say, whatever its name ends in (smart caching goes by that).
  cache_enabled                 = false
  cache_expiration_time         = -1
  cache_expiration_time_browser = -1
  cache_errors                  = false
  cache_stale                   = ["offline", "updating"]
  use_background_update         = true
  strip_cookies                 = true
  block_post_requests           = true

  # Queries take no part in the key, but for one that nobody uses: with it, the purge of an address that ends in a slash
  # is that of the one address.
  cache_vary             = ["querystring"]
  cache_vary_querystring = ["-"]

  request_coalescing_enabled = true
  request_coalescing_timeout = 15
  originshield_enabled       = true

  optimizer_enabled    = false
  cors_enabled         = false
  add_canonical_header = false
  log_anonymized       = true
}

resource "bunnynet_pullzone_hostname" "site" {
  pullzone    = bunnynet_pullzone.site.id
  name        = var.domain
  tls_enabled = true
  force_ssl   = true
}

output "pull_zone" {
  value       = bunnynet_pullzone.site.id
  description = "CDN_SITE."
}

output "cdn_domain" {
  value       = bunnynet_pullzone.site.cdn_domain
  description = "What the CNAME record of the domain names."
}
