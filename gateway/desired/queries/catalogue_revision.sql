SELECT revision FROM shelf_revision
