# A Redis cluster inside Kubernetes, simulated: terraform_data stands for it.

variable "name" { type = string }
variable "shards" { type = number }
variable "memory_mib" { type = number }

resource "terraform_data" "cluster" {
  input = {
    shards     = var.shards
    memory_mib = var.memory_mib
  }
  triggers_replace = [var.name]
}

output "endpoint" {
  value = "${var.name}-${substr(terraform_data.cluster.id, 0, 8)}.redis.svc.cluster.example:6379"
}
output "shards" { value = terraform_data.cluster.output.shards }
