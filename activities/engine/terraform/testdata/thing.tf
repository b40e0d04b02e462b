terraform {
  required_providers {
    local = {
      source = "providers.test/nestor/local"
    }
  }
}

variable "world" { type = string }
variable "name" { type = string }
variable "size" { type = number }
variable "note" { type = string }
variable "password" {
  type      = string
  sensitive = true
}
variable "ratio" { type = number }
variable "enabled" { type = bool }
variable "zones" { type = list(string) }
variable "labels" { type = map(string) }
variable "mode" { type = string }

resource "terraform_data" "thing" {
  triggers_replace = [var.name, var.world]
  input = {
    size     = var.size
    text     = var.note
    password = var.password
    ratio    = var.ratio
    enabled  = var.enabled
    zones    = var.zones
    labels   = var.labels
  }

  provisioner "local-exec" {
    interpreter = ["/bin/sh", "-c"]
    command     = <<-EOT
      if [ "$MODE" = fail-create ]; then
        echo "quota exceeded" >&2
        exit 1
      fi
      echo "create $NAME" >> "$WORLD/ledger"
      while [ "$MODE" = hold ] && [ -e "$WORLD/hold" ]; do
        sleep 0.05
      done
    EOT
    environment = {
      MODE  = var.mode
      NAME  = var.name
      WORLD = var.world
    }
  }

  provisioner "local-exec" {
    when        = destroy
    interpreter = ["/bin/sh", "-c"]
    command     = "echo \"destroy $NAME\" >> \"$WORLD/ledger\""
    environment = {
      NAME  = self.triggers_replace[0]
      WORLD = self.triggers_replace[1]
    }
  }
}

resource "terraform_data" "setting" {
  triggers_replace = [var.size, terraform_data.thing.id, var.world]

  # A test can hold the destruction, which is no creation and leaves no doubt.
  provisioner "local-exec" {
    when        = destroy
    interpreter = ["/bin/sh", "-c"]
    command     = <<-EOT
      while [ -e "$WORLD/hold-unset" ]; do
        touch "$WORLD/unsetting"
        sleep 0.05
      done
    EOT
    environment = {
      WORLD = self.triggers_replace[2]
    }
  }

  provisioner "local-exec" {
    interpreter = ["/bin/sh", "-c"]
    command     = <<-EOT
      if [ "$MODE" = fail-set ]; then
        echo "quota exceeded" >&2
        exit 1
      fi
      echo "set $NAME $SIZE" >> "$WORLD/ledger"
    EOT
    environment = {
      MODE  = var.mode
      NAME  = var.name
      SIZE  = var.size
      WORLD = var.world
    }
  }
}

resource "local_file" "record" {
  filename = "${var.world}/record-${var.name}"
  content  = "thing ${terraform_data.thing.id}"
}

output "id" { value = terraform_data.thing.id }
output "name" { value = var.name }
output "size" { value = terraform_data.thing.output.size }
output "text" { value = terraform_data.thing.output.text }
output "password" {
  value     = var.password
  sensitive = true
}
output "ratio" { value = terraform_data.thing.output.ratio }
output "enabled" { value = terraform_data.thing.output.enabled }
output "zones" { value = terraform_data.thing.output.zones }
output "labels" { value = terraform_data.thing.output.labels }
