// Starts Swagger UI on the gateway's own document; requests go to this gateway with the page's login or a token.
"use strict";
addEventListener("DOMContentLoaded", () => {
  SwaggerUIBundle({
    url: document.getElementById("swagger").dataset.specification,
    dom_id: "#swagger",
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    filter: true,
    tryItOutEnabled: true,
    validatorUrl: null,
    withCredentials: true,
  });
});
