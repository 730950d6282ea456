UPDATE key_delivery SET announced = NULL
