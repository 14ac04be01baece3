# A CGI program in awk: the numbers of a posted table, summed up by their first column.
BEGIN { printf "Content-Type: text/plain\r\nX-Method: %s\r\n\r\n", ENVIRON["REQUEST_METHOD"] }
{ sum[$1] += $2 }
END { for (name in sum) print name, sum[name] | "sort"; close("sort"); print NR " lines" }
