"""What the APIs and the pages share: parsing, authentication, responses and errors. No route lives here."""
