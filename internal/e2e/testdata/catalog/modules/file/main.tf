# One file, written by the local provider.

terraform {
  required_providers {
    local = {
      source = "mirror.nestor.internal/hashicorp/local"
    }
  }
}

variable "path" { type = string }
variable "content" { type = string }

resource "local_file" "it" {
  filename        = var.path
  content         = var.content
  file_permission = "0644"
}

output "path" { value = local_file.it.filename }
