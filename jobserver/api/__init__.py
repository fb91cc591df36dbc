"""The programming interfaces, one package each. They parse a request, call one verb and render the response."""
