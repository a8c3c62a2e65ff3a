A verb asked for a request that there is not says so, names the nearest, and fails.
--- file handlers/index.yml
{}
--- run 1|2|64|69|78
dispatch status 00000000-0000-4000-8000-0000000000ff
--- stderr has
00000000-0000-4000-8000-0000000000ff
