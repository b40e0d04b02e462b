# A MySQL database on Google Cloud SQL, simulated; see aws-rds-mysql. Its own
# names for things (tier, disk_size) show how a definition maps inputs, so that
# a composition need not know which cloud it gets.

variable "name" { type = string }
variable "region" { type = string }
variable "disk_size" { type = number }

variable "tier" {
  type = string
  validation {
    condition     = contains(["small", "medium", "large"], var.tier)
    error_message = "The tier is small, medium or large."
  }
}

locals {
  tiers = {
    small  = "db-custom-1-3840"
    medium = "db-custom-4-15360"
    large  = "db-custom-16-61440"
  }
  host = "${var.name}-${substr(terraform_data.instance.id, 0, 8)}.${var.region}.cloudsql.example"
  port = 3306
}

resource "terraform_data" "instance" {
  input = {
    tier    = local.tiers[var.tier]
    disk    = var.disk_size
    version = "MYSQL_8_0"
  }
  triggers_replace = [var.name, var.region]
}

resource "terraform_data" "password" {
  input            = sensitive(uuid())
  triggers_replace = [terraform_data.instance.id]
  lifecycle {
    ignore_changes = [input]
  }
}

output "host" { value = local.host }
output "port" { value = local.port }
output "endpoint" { value = "${local.host}:${local.port}" }
output "username" { value = "root" }
output "password" {
  value     = terraform_data.password.output
  sensitive = true
}
