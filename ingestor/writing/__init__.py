"""A batch into the database in one transaction, stamped by the database's clock."""
