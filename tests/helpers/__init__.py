"""What several tests share: things made by hand, servers, browsers, and fakes of a framework."""
