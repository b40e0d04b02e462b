# A resource whose side effects can be counted: it appends a line to a ledger
# when it is created and when it is destroyed.

variable "ledger" { type = string }
variable "name" { type = string }
variable "size" { type = number }
variable "upstream" { type = string }
variable "token" {
  type      = string
  sensitive = true
}

resource "terraform_data" "entry" {
  input = { name = var.name, ledger = var.ledger, size = var.size, upstream = var.upstream }

  provisioner "local-exec" {
    environment = { NAME = var.name, LEDGER = var.ledger }
    command     = "echo \"create $NAME\" >> \"$LEDGER\""
  }
  provisioner "local-exec" {
    when        = destroy
    environment = { NAME = self.input.name, LEDGER = self.input.ledger }
    command     = "echo \"destroy $NAME\" >> \"$LEDGER\""
  }
}

output "endpoint" { value = "${terraform_data.entry.output.name}:${terraform_data.entry.output.size}" }
output "key" {
  value     = "${var.token}/${terraform_data.entry.output.name}"
  sensitive = true
}
