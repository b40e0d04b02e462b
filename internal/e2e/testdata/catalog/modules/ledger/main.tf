# A resource whose side effects can be counted: it appends a line to a ledger
# when it is created and when it is destroyed.

variable "ledger" { type = string }
variable "name" { type = string }
variable "size" {
  type    = number
  default = 1
}
variable "upstream" {
  type    = string
  default = ""
}
variable "hold" {
  type        = string
  default     = ""
  description = "Creation waits while this file exists."
}
variable "fail" {
  type    = bool
  default = false
}
variable "note" {
  type        = string
  default     = ""
  description = "Changes the resource and none of the outputs."
}
variable "breaks" {
  type        = bool
  default     = false
  description = "A second resource fails after the first was created."
}
variable "secret" {
  type      = string
  default   = "none"
  sensitive = true
}

resource "terraform_data" "entry" {
  input = { name = var.name, ledger = var.ledger, size = var.size, upstream = var.upstream, fail = var.fail, note = var.note }

  provisioner "local-exec" {
    environment = { NAME = self.input.name, LEDGER = self.input.ledger, HOLD = var.hold }
    command     = "echo \"create $NAME\" >> \"$LEDGER\"; while [ -n \"$HOLD\" ] && [ -e \"$HOLD\" ]; do sleep 0.05; done"
  }
  provisioner "local-exec" {
    when        = destroy
    environment = { NAME = self.input.name, LEDGER = self.input.ledger }
    command     = "echo \"destroy $NAME\" >> \"$LEDGER\""
  }
}

resource "terraform_data" "check" {
  input = var.size

  lifecycle {
    precondition {
      condition     = !var.fail
      error_message = "told to fail: ${var.name}"
    }
  }
}

resource "terraform_data" "second" {
  count      = var.breaks ? 1 : 0
  depends_on = [terraform_data.entry]

  provisioner "local-exec" {
    environment = { SECRET = nonsensitive(var.secret), ENCODED = nonsensitive(base64encode(var.secret)), ESCAPED = nonsensitive(urlencode(var.secret)) }
    command     = "echo \"broken half way, with $SECRET and $ENCODED and $ESCAPED\" >&2; exit 1"
  }
}

output "address" { value = "${var.name}:${terraform_data.check.output}" }
output "upstream" { value = var.upstream }
output "secret" {
  value     = var.secret
  sensitive = true
}
