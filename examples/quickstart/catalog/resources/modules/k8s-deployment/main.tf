# A web application in Kubernetes, simulated: files in a directory stand for
# the cluster's objects, so that a person can open them.

terraform {
  required_providers {
    local = {
      source = "mirror.nestor.internal/hashicorp/local"
    }
  }
}

variable "name" { type = string }
variable "cluster" { type = string }
variable "environment" { type = string }
variable "replicas" { type = number }
variable "database_endpoint" { type = string }
variable "cache_endpoint" { type = string }

variable "database_password" {
  type      = string
  sensitive = true
}

locals {
  directory = "${var.cluster}/${var.name}"
}

resource "local_file" "replica" {
  count           = var.replicas
  filename        = "${local.directory}/replica-${count.index + 1}.json"
  file_permission = "0644"
  content = jsonencode({
    application = var.name
    environment = var.environment
    replica     = count.index + 1
    database    = var.database_endpoint
    cache       = var.cache_endpoint
  })
}

resource "local_file" "password" {
  filename          = "${local.directory}/database.password"
  file_permission   = "0600"
  sensitive_content = var.database_password
}

resource "local_file" "page" {
  filename        = "${local.directory}/index.html"
  file_permission = "0644"
  content = templatefile("${path.module}/index.html.tftpl", {
    name        = var.name
    environment = var.environment
    replicas    = [for replica in local_file.replica : basename(replica.filename)]
    database    = var.database_endpoint
    cache       = var.cache_endpoint
  })
}

output "page" { value = local_file.page.filename }
output "replicas" { value = length(local_file.replica) }
