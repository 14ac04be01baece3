#!/usr/bin/perl
# A CGI program with CGI.pm, as they were written for twenty years. PATH_INFO says what it does.
use strict;
use warnings;
use CGI;
use Digest::SHA qw(sha256_hex);

$CGI::POST_MAX = 8_000_000;
my $q = CGI->new;
my $what = $q->path_info;

sub text { print $q->header(-type => 'text/plain', -charset => 'utf-8', @_) }

if (my $error = $q->cgi_error) {
    text(-status => $error);
    print "$error\n";
} elsif ($what eq '/params') {
    text();
    print "$_=", join('|', $q->multi_param($_)), "\n" for sort $q->param;
    print scalar(@ARGV), " words\n";
} elsif ($what eq '/cookie') {
    my $visits = ($q->cookie('visits') // 0) + 1;
    my @more = (-path => '/', -httponly => 1);
    text(-cookie => [
        $q->cookie(-name => 'visits', -value => $visits, @more),
        $q->cookie(-name => 'name', -value => 'A U, Thor; "x"', @more),
    ]);
    print "visit $visits of ", $q->cookie('name') // 'nobody', "\n";
} elsif ($what eq '/redirect') {
    print $q->redirect('/params?a=1&b=2');
} elsif ($what eq '/moved') {
    print $q->redirect(-uri => 'https://example.org/new#top', -status => '301 Moved Permanently');
} elsif ($what eq '/upload') {
    text();
    print 'title=', scalar $q->param('title'), "\n";
    for my $file ($q->upload('file')) {
        binmode $file;
        my $data = do { local $/; <$file> };
        print "$file ", $q->uploadInfo($file)->{'Content-Type'}, ' ', length $data, ' ', sha256_hex($data), "\n";
    }
} elsif ($what eq '/self') {
    text();
    print join("\n", $q->url(-base => 1), $q->self_url, $q->request_method, $q->remote_host, $q->http('X-Thing')), "\n";
} else {
    text(-status => '404 Not Found');
    print "nothing at $what\n";
}
