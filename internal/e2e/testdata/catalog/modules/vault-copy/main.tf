# A copy of what a store holds.

variable "of" { type = string }
variable "name" { type = string }

resource "terraform_data" "copy" {
  input            = var.of
  triggers_replace = var.name
}

output "copy" { value = terraform_data.copy.output }
