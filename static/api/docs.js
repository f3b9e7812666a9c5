// Shows the OpenAPI document of this server. Nothing comes from another host.
"use strict";

const place = document.getElementById("docs");

SwaggerUIBundle({
  domNode: place,
  url: place.dataset.schema,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  // It would ask another host whether the document is well formed.
  validatorUrl: null,
});
