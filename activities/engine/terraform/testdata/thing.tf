terraform {
  required_providers {
    world = {
      source = "providers.test/nestor/world"
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
variable "details" {
  type    = any
  default = {}
}

resource "world_thing" "thing" {
  world    = var.world
  name     = var.name
  size     = var.size
  text     = var.note
  password = var.password
  ratio    = var.ratio
  enabled  = var.enabled
  zones    = var.zones
  labels   = var.labels
  mode     = var.mode
  details  = jsonencode(var.details)
}

output "id" { value = world_thing.thing.id }
output "name" { value = world_thing.thing.name }
output "size" { value = world_thing.thing.size }
output "text" { value = world_thing.thing.text }
output "password" {
  value     = world_thing.thing.password
  sensitive = true
}
output "ratio" { value = world_thing.thing.ratio }
output "enabled" { value = world_thing.thing.enabled }
output "zones" { value = world_thing.thing.zones }
output "labels" { value = world_thing.thing.labels }
output "details" { value = jsondecode(world_thing.thing.details) }
