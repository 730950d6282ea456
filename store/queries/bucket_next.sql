SELECT bucket_next($1, $2)
