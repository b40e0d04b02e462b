terraform {
  required_providers {
    local = {
      source  = "hashicorp/local"
      version = ">= 1.4"
    }
  }
}

variable "directory" { type = string }
variable "name" { type = string }
variable "address" { type = string }
variable "port" { type = number }
variable "tags" { type = list(string) }
variable "meta" { type = map(string) }

variable "token" {
  type      = string
  default   = null
  sensitive = true
}

# What is random is made once, and again when the service becomes another one.
resource "terraform_data" "id" {
  triggers_replace = [var.name]
}

resource "local_file" "service" {
  filename        = "${var.directory}/${var.name}.json"
  file_permission = "0640"
  sensitive_content = jsonencode({
    service = {
      id      = "${var.name}-${substr(terraform_data.id.id, 0, 8)}"
      name    = var.name
      address = var.address
      port    = var.port
      tags    = var.tags
      meta    = var.meta
      token   = var.token
    }
  })

  lifecycle {
    precondition {
      condition     = alltrue([for text in values(var.meta) : length(text) <= 512])
      error_message = "Consul takes at most 512 letters for a text of the service's meta."
    }
  }
}

output "id" { value = "${var.name}-${substr(terraform_data.id.id, 0, 8)}" }
output "dns_name" { value = "${var.name}.service.consul" }
output "port" { value = var.port }
output "tags" { value = var.tags }
output "meta" { value = var.meta }

output "access_key" {
  value     = sha256("${terraform_data.id.id}/access")
  sensitive = true
}
