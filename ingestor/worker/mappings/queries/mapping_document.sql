SELECT document FROM source_mapping WHERE source = $1 AND version = $2
