SELECT bucket_start($1, $2)
