# A private network, simulated: terraform_data stands for it and its subnets.

variable "cidr" { type = string }
variable "region" { type = string }
variable "zones" { type = list(string) }

resource "terraform_data" "network" {
  triggers_replace = [var.cidr, var.region]
}

resource "terraform_data" "subnet" {
  for_each = { for i, zone in var.zones : zone => cidrsubnet(var.cidr, 8, i) }
  input    = each.value
}

output "id" { value = "vpc-${substr(terraform_data.network.id, 0, 8)}" }
output "subnets" { value = { for zone, subnet in terraform_data.subnet : "${var.region}${zone}" => subnet.output } }
