`check` of a file that is not there says so and does not pass.
--- file handlers/index.yml
{}
--- run 2|64|69|73|78
dispatch check requests/nowhere.yml
--- stderr has
requests/nowhere.yml
