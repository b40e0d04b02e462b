# A MySQL database on Amazon RDS, simulated: terraform_data stands for the
# instance, so that plans, unknown values, updates and replacements are real
# while nothing leaves this machine.

variable "name" { type = string }
variable "region" { type = string }
variable "allocated_storage" { type = number }

variable "instance_class" {
  type = string
  validation {
    condition     = contains(["small", "medium", "large"], var.instance_class)
    error_message = "The instance class is small, medium or large."
  }
}

locals {
  classes = {
    small  = "db.t4g.small"
    medium = "db.r7g.large"
    large  = "db.r7g.4xlarge"
  }
  # The instance's id is known only once it exists, as a real endpoint is.
  host = "${var.name}-${substr(terraform_data.instance.id, 0, 8)}.${var.region}.rds.example"
  port = 3306
}

resource "terraform_data" "instance" {
  input = {
    class   = local.classes[var.instance_class]
    storage = var.allocated_storage
    engine  = "mysql8.0"
  }
  triggers_replace = [var.name, var.region]
}

# A password is made once and then stays.
resource "terraform_data" "password" {
  input            = sensitive(uuid())
  triggers_replace = [terraform_data.instance.id]
  lifecycle {
    ignore_changes = [input]
  }
}

output "host" { value = local.host }
output "port" { value = local.port }
output "endpoint" { value = "${local.host}:${local.port}" }
output "username" { value = "admin" }
output "password" {
  value     = terraform_data.password.output
  sensitive = true
}
