# DigitalOcean: the site's bucket and its backup in Spaces, a key for them, and a machine for the API and the worker.
# Spaces has a CDN, but not for clean addresses; before it goes Bunny (../bunny), Cloudflare or Fastly.
# DIGITALOCEAN_TOKEN=… SPACES_ACCESS_KEY_ID=… SPACES_SECRET_ACCESS_KEY=… terraform apply -var ssh_key=…

terraform {
  required_version = ">= 1.6"
  required_providers {
    digitalocean = {
      source  = "digitalocean/digitalocean"
      version = "~> 2.60"
    }
  }
}

variable "name" {
  type    = string
  default = "reviews"
}

variable "region" {
  type        = string
  default     = "nyc3"
  description = "Of the buckets and the machine; there is none in South America."
}

variable "ssh_key" {
  type        = string
  description = "Fingerprint of the SSH key that may enter the machine."
}

variable "from" {
  type        = list(string)
  default     = []
  description = "Addresses (CIDR) from which one may enter by SSH."
}

resource "digitalocean_spaces_bucket" "content" {
  name   = var.name
  region = var.region
}

resource "digitalocean_spaces_bucket" "backup" {
  name   = "${var.name}-backup"
  region = var.region

  lifecycle {
    prevent_destroy = true
  }
}

# Anyone may read an object whose name is known, and nobody may list them or read what is the publisher's own.
resource "digitalocean_spaces_bucket_policy" "content" {
  region = digitalocean_spaces_bucket.content.region
  bucket = digitalocean_spaces_bucket.content.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "ReadersRead"
      Effect    = "Allow"
      Principal = "*"
      Action    = "s3:GetObject"
      Resource  = "arn:aws:s3:::${digitalocean_spaces_bucket.content.name}/*"
    }]
  })
}

resource "digitalocean_spaces_key" "publisher" {
  name = "${var.name}-publisher"

  grant {
    bucket     = digitalocean_spaces_bucket.content.name
    permission = "readwrite"
  }

  grant {
    bucket     = digitalocean_spaces_bucket.backup.name
    permission = "readwrite"
  }
}

resource "digitalocean_droplet" "publisher" {
  name       = "${var.name}-publisher"
  region     = var.region
  size       = "s-1vcpu-2gb"
  image      = "debian-12-x64"
  ssh_keys   = [var.ssh_key]
  monitoring = true
}

resource "digitalocean_firewall" "publisher" {
  name        = "${var.name}-publisher"
  droplet_ids = [digitalocean_droplet.publisher.id]

  inbound_rule {
    protocol         = "tcp"
    port_range       = "443"
    source_addresses = ["0.0.0.0/0", "::/0"]
  }

  dynamic "inbound_rule" {
    for_each = length(var.from) > 0 ? [1] : []
    content {
      protocol         = "tcp"
      port_range       = "22"
      source_addresses = var.from
    }
  }

  outbound_rule {
    protocol              = "tcp"
    port_range            = "1-65535"
    destination_addresses = ["0.0.0.0/0", "::/0"]
  }

  outbound_rule {
    protocol              = "udp"
    port_range            = "1-65535"
    destination_addresses = ["0.0.0.0/0", "::/0"]
  }
}

output "origin" {
  value       = "https://${digitalocean_spaces_bucket.content.bucket_domain_name}"
  description = "`origin` of ../bunny."
}

output "endpoint" {
  value       = "https://${var.region}.digitaloceanspaces.com"
  description = "S3_ENDPOINT, BACKUP_ENDPOINT."
}

output "access_key" {
  value       = digitalocean_spaces_key.publisher.access_key
  description = "S3_ACCESS_KEY, BACKUP_ACCESS_KEY."
}

output "secret_key" {
  value       = digitalocean_spaces_key.publisher.secret_key
  sensitive   = true
  description = "S3_SECRET_KEY, BACKUP_SECRET_KEY."
}
