# Google's Cloud CDN and load balancer before a bucket of Cloud Storage. The headers are those of words.tf.json, which is made
# from publisher/edges.
# terraform init && terraform apply -var project=… -var domain=reviews.example

terraform {
  required_version = ">= 1.6"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.0"
    }
  }
}

variable "project" {
  type = string
}

variable "domain" {
  type        = string
  description = "Where readers find the site. Point it at `address` by an A record."
}

variable "bucket" {
  type    = string
  default = "reviews"
}

variable "location" {
  type        = string
  default     = "SOUTHAMERICA-EAST1"
  description = "Near the publisher."
}

provider "google" {
  project = var.project
}

locals {
  on_pages = [for name, value in merge(local.always, local.document) : "${name}: ${value}"]
  on_data  = [for name, value in merge(local.always, local.read_by_others) : "${name}: ${value}"]
}

resource "google_storage_bucket" "content" {
  name                        = var.bucket
  location                    = var.location
  uniform_bucket_level_access = true

  website {
    main_page_suffix = "index.html"
    not_found_page   = "404.html"
  }

  cors {
    origin          = ["*"]
    method          = ["GET", "HEAD"]
    response_header = concat(split(", ", local.preflight["Access-Control-Allow-Headers"]), ["ETag"])
    max_age_seconds = tonumber(local.preflight["Access-Control-Max-Age"])
  }
}

resource "google_storage_bucket" "backup" {
  name                        = "${var.bucket}-backup"
  location                    = var.location
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  lifecycle {
    prevent_destroy = true
  }
}

# Anyone may read an object whose name is known; listing is another permission.
resource "google_storage_bucket_iam_member" "readers" {
  bucket = google_storage_bucket.content.name
  role   = "roles/storage.legacyObjectReader"
  member = "allUsers"
}

resource "google_service_account" "publisher" {
  account_id   = "publisher"
  display_name = "Publishes to ${var.bucket}"
}

resource "google_storage_bucket_iam_member" "publisher" {
  for_each = toset([google_storage_bucket.content.name, google_storage_bucket.backup.name])
  bucket   = each.value
  role     = "roles/storage.objectUser"
  member   = "serviceAccount:${google_service_account.publisher.email}"
}

# What the interface that speaks S3 signs with.
resource "google_storage_hmac_key" "publisher" {
  service_account_email = google_service_account.publisher.email
}

resource "google_compute_backend_bucket" "pages" {
  name                    = "${var.bucket}-pages"
  bucket_name             = google_storage_bucket.content.name
  enable_cdn              = true
  compression_mode        = "AUTOMATIC"
  custom_response_headers = local.on_pages

  cdn_policy {
    cache_mode         = "USE_ORIGIN_HEADERS"
    request_coalescing = true
    serve_while_stale  = 604800
  }
}

resource "google_compute_backend_bucket" "data" {
  name                    = "${var.bucket}-data"
  bucket_name             = google_storage_bucket.content.name
  enable_cdn              = true
  compression_mode        = "AUTOMATIC"
  custom_response_headers = local.on_data

  cdn_policy {
    cache_mode         = "USE_ORIGIN_HEADERS"
    request_coalescing = true
    serve_while_stale  = 604800
  }
}

# Folders and what is missing are the bucket's own work (`website` above); only the list of all reviews has no folder.
resource "google_compute_url_map" "site" {
  name            = var.bucket
  default_service = google_compute_backend_bucket.pages.id

  host_rule {
    hosts        = [var.domain]
    path_matcher = "site"
  }

  path_matcher {
    name            = "site"
    default_service = google_compute_backend_bucket.pages.id

    route_rules {
      priority = 1
      service  = google_compute_backend_bucket.data.id
      match_rules {
        full_path_match = "/content"
      }
      match_rules {
        full_path_match = "/content/"
      }
      route_action {
        url_rewrite {
          path_prefix_rewrite = "/content/index.json"
        }
      }
    }

    route_rules {
      priority = 2
      service  = google_compute_backend_bucket.data.id
      match_rules {
        prefix_match = "/content/"
      }
      match_rules {
        prefix_match = "/.well-known/"
      }
    }
  }
}

resource "google_compute_managed_ssl_certificate" "site" {
  name = var.bucket
  managed {
    domains = [var.domain]
  }
}

resource "google_compute_target_https_proxy" "site" {
  name             = var.bucket
  url_map          = google_compute_url_map.site.id
  ssl_certificates = [google_compute_managed_ssl_certificate.site.id]
}

resource "google_compute_global_address" "site" {
  name = var.bucket
}

resource "google_compute_global_forwarding_rule" "site" {
  name                  = var.bucket
  target                = google_compute_target_https_proxy.site.id
  port_range            = "443"
  ip_address            = google_compute_global_address.site.id
  load_balancing_scheme = "EXTERNAL_MANAGED"
}

output "address" {
  value       = google_compute_global_address.site.address
  description = "What the A record of the domain names."
}

output "access_key" {
  value       = google_storage_hmac_key.publisher.access_id
  description = "S3_ACCESS_KEY, BACKUP_ACCESS_KEY."
}

output "secret_key" {
  value       = google_storage_hmac_key.publisher.secret
  sensitive   = true
  description = "S3_SECRET_KEY, BACKUP_SECRET_KEY."
}
