"""What applications publish about themselves, and what one registers that publishes nothing.

The shapes were recorded in August 2026. Names and hosts are changed where a test needs its own.
"""

REDIRECTS = ["https://client.example/callback"]
LOOPBACK = ["http://localhost/callback", "http://127.0.0.1/callback"]

CLAUDE = {
    "client_name": "Claude",
    "client_uri": "https://client.example",
    "redirect_uris": REDIRECTS,
    "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:jwt-bearer"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
}
CLAUDE_CODE = {
    "client_name": "Claude Code",
    "client_uri": "https://client.example",
    "redirect_uris": LOOPBACK,
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
}
CODE_EDITOR = {
    "client_name": "Visual Studio Code",
    "client_uri": "https://client.example/product",
    "logo_uri": "https://client.example/logo.png",
    "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
    "response_types": ["code"],
    "redirect_uris": ["https://client.example/redirect", "http://127.0.0.1/", "http://127.0.0.1:33418/"],
    "token_endpoint_auth_method": "none",
    "application_type": "native",
}
ZED = {
    "client_name": "Zed",
    "client_uri": "https://client.example",
    "redirect_uris": ["http://127.0.0.1/callback"],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
}
# Both ways in which it was seen: with a method of its own beside the list, and with the list alone.
CHATGPT = {
    "client_name": "ChatGPT",
    "client_uri": "https://client.example",
    "redirect_uris": REDIRECTS,
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
    "token_endpoint_auth_signing_alg": "RS256",
}
# Registered, because there is no document.
CURSOR = {
    "client_name": "Cursor",
    "redirect_uris": [
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "https://client.example/callback",
        "http://localhost:8787/callback",
    ],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
}
# Those that a document alone is enough for.
APPLICATIONS = {"Claude": CLAUDE, "Claude Code": CLAUDE_CODE, "VS Code": CODE_EDITOR, "Zed": ZED}
