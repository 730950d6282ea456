SELECT $__timeTo() AS until
