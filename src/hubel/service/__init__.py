"""The service: trained models behind HTTP, and the explorer of networks.

`app.app(models, settings)` makes the application; `server.run` serves it until it is told to end. The package
needs the extra `serve`.
"""
