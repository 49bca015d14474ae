module tar-reader

go 1.25.0
