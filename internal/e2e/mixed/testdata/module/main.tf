# SPDX-License-Identifier: Apache-2.0
# Two resources that live in the state alone. Files in var.refusals make a change
# fail: "plan" every plan, "<part>-<key>" what makes the part have that key, after it
# has, and "destroy" the destruction of the first, after that of the second.

variable "size" { type = number }
variable "kind" { type = string }
variable "upstream" { type = string }
variable "refusals" { type = string }

locals { key = "${var.kind}-${var.size}" }

resource "terraform_data" "a" {
  input            = { key = local.key, upstream = var.upstream, refusals = var.refusals }
  triggers_replace = [var.kind]

  provisioner "local-exec" {
    when        = destroy
    environment = { REFUSAL = "${self.input.refusals}/destroy" }
    command     = "test ! -e \"$REFUSAL\""
  }
  lifecycle {
    precondition {
      condition     = !fileexists("${var.refusals}/plan")
      error_message = "Plans are refused."
    }
    postcondition {
      condition     = !fileexists("${var.refusals}/a-${self.output.key}")
      error_message = "This key of the first part is refused."
    }
  }
}

resource "terraform_data" "b" {
  input            = { key = local.key, upstream = var.upstream, after = terraform_data.a.id }
  triggers_replace = [var.kind]

  lifecycle {
    postcondition {
      condition     = !fileexists("${var.refusals}/b-${self.output.key}")
      error_message = "This key of the second part is refused."
    }
  }
}

output "address" { value = "${terraform_data.b.output.key}" }
