SELECT cursor_frame FROM job WHERE id = $1 AND worker = $2 AND state = 'running'
