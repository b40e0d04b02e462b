# One file, which is there already when the measurement begins.

terraform {
  required_providers {
    local = {
      source = "mirror.nestor.internal/hashicorp/local"
    }
  }
}

variable "path" { type = string }

resource "local_file" "it" {
  filename = var.path
  content  = "as it was"
}

output "path" { value = local_file.it.filename }
