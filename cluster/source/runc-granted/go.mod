module runc-granted

go 1.26.0
