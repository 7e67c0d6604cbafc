// Starts the explorer on the daemon's own description. Nothing is asked of any other server.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#explorer",
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: "list",
  filter: true,
  // Otherwise a badge is fetched from a validator elsewhere.
  validatorUrl: null,
});
