module go-rules

go 1.26
