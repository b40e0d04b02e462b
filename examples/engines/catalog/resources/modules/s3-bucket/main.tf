# Endpoint and keys of the object store come from the environment's
# credentials: MINIO_ENDPOINT, MINIO_USER and MINIO_PASSWORD.
terraform {
  required_providers {
    minio = {
      source  = "mirror.nestor.internal/aminueza/minio"
      version = "3.2.0"
    }
  }
}

variable "name" {
  type = string
}

variable "versioning" {
  type = bool
}

resource "minio_s3_bucket" "this" {
  bucket = var.name
  acl    = "private"
}

resource "minio_s3_bucket_versioning" "this" {
  bucket = minio_s3_bucket.this.bucket

  versioning_configuration {
    status = var.versioning ? "Enabled" : "Suspended"
  }
}

output "name" {
  value = minio_s3_bucket.this.bucket
}

output "url" {
  # The provider puts the console's path before the bucket.
  value = replace(minio_s3_bucket.this.bucket_domain_name, "minio/", "")
}
